"""Business series by SQL: the keys below ``business.NAME.sql``, the queries, and the databases that they read."""
