"""From whatever a caller passes to samples or features: lists, files, URLs, arrays."""
