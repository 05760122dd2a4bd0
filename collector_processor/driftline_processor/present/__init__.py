"""Words, numbers and times of an Evaluation, for pages, terminal and API alike. Imports core."""
