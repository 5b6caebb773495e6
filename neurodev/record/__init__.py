"""neurodev.record"""
