import { describePager } from './pager.ts'

describePager('two processes')
