"""One trainer for every product: split, fit, calibrate, evaluate, and write a bundle and its card."""
