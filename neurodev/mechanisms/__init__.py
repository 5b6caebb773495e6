"""neurodev.mechanisms"""
