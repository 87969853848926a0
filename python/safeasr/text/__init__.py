"""From tokens to text: sentences, words, times, tags and hotwords."""
