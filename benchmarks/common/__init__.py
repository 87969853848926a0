"""What several benchmarks use: audio, models, load, facts about the machine."""
