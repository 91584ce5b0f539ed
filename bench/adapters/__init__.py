"""One module for each client: how it is started at its best as a seed and as a getter."""
