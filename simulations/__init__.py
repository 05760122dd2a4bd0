"""What is promised of drift, simulated through the product's own code: ``make simulate`` writes the docs' table."""
