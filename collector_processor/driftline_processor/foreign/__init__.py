"""What other tools expect of data, read into expectations of ours; what cannot be read is named, never dropped."""
