"""What must hold: assertions over metrics, and the nodes that broke them."""
