"""The figures of `bench show`: panels of single samples, scatters of qualities, and curves."""
