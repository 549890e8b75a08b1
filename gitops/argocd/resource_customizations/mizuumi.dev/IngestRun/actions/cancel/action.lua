-- Its work is stopped, and nothing of it is published.
obj.spec.cancel = true
return obj
