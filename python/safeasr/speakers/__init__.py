"""Who speaks when: windows of speech, their embeddings in groups, the groups' turns."""
