"""The pages of people: one module each, a function from what is known to what the page says in all its forms."""
