"""Speed promises of the product, each measured beside a reference in the same process."""
