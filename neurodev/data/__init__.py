"""neurodev.data"""
