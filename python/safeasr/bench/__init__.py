"""Load for measurements: callers in a closed loop, and live sessions."""
