import Lockstep

LockstepCommands.main()
