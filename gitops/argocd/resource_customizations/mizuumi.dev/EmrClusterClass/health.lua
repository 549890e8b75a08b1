-- Rules of the platform, which nobody converges: it is well as soon as it is there.
return { status = "Healthy", message = "Clusters may name it" }
