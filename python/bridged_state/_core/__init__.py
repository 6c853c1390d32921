"""What decides and touches nothing: no socket, no clock, no chance, no event loop. Time and chance are arguments."""
