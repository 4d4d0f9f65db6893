"""Thirtyfold: any data, all thirty steps of AI training, one file, one command."""

__version__ = "0.1.0"
