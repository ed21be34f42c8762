"""What runs the flows: schedules, the warm worker and its sweep."""
