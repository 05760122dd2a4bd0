"""Objectives: limits that metrics must keep, and whether they are met. Imports performance and intervals."""
