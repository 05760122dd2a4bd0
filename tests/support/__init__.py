"""What tests share: peers, requests, tables and fixtures. A test file is never imported by another."""
