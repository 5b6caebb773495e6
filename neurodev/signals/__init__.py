"""neurodev.signals"""
