"""What fitting and deciding are made of: orders from comparisons, confidences, text vectors."""
