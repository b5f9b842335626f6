"""How deliveries come in over a wire: pull from a source, push from a sender, and the reference server of both sides."""
