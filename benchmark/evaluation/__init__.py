"""The evaluation of methods: only here are scores and predicted qualities compared with the ground truth."""
