"""Tests of the house itself: where arrows point, which words are used, what the commands say."""
