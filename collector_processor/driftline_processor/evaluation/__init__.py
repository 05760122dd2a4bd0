"""Changed windows to stored Evaluations, and versions side by side. Imports join and below."""
