"""What is noticed: objects followed from frame to frame, rules, events, and the log that keeps them."""
