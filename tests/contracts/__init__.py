"""What several implementations promise alike: one scenario, sent to each of them, with one result."""
