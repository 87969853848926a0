"""Making load: who asks what when, and what became of it."""
