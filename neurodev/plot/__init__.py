"""neurodev.plot"""
