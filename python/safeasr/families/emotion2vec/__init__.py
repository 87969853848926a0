"""emotion2vec: how somebody speaks, as labels with scores and as vectors."""
