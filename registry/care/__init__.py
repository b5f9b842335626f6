"""What a driver is asked, told and shown: links to his own page, consents, health declarations, and what he asks for."""
