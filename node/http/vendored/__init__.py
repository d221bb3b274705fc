"""Files of others that the API serves, unchanged; each directory says what they are, of which version and licence."""
