"""neurodev.structure"""
