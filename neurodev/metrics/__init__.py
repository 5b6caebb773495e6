"""neurodev.metrics"""
