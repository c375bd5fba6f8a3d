import { describePager } from './pager.ts'

describePager('one process')
