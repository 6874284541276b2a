"""Device keys: which are allowed, the key files that contain them, and their canonical text."""
