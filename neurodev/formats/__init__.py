"""In and out: histories and networks in the formats of others; each an optional extra, imported on use."""
