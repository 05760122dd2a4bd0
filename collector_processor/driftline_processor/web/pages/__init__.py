"""The web pages: one module per page with a function from data to the page's content in all formats."""
