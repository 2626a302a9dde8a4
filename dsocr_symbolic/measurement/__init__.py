"""What a GPU takes: single operators, a host's cost of a launch, the network's parts."""
