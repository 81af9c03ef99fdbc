"""The conformance kit, which `segalarm.testing` gives to authors: does a plugin do what its interface says?"""
