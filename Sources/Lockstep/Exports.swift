@_exported public import LockstepCore
