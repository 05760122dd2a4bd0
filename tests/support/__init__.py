"""What tests share: peers, requests, tables and fixtures."""
