"""neurodev.engine"""
