"""Business series by SQL: the keys of ``business.NAME.sql``, the queries, and their databases."""
