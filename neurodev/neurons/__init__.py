"""neurodev.neurons"""
