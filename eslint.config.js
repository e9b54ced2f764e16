import importX, { createNodeResolver } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// Imports run one way (design section 12); test/architecture.test.ts holds the same rule.
const stations = ['ingest', 'processors', 'projections', 'gateway', 'scheduler'];
const mayNotImport = {
  schemas: ['runtime', 'log', ...stations, 'cli'],
  runtime: ['log', ...stations, 'cli'],
  log: [...stations, 'cli'],
  ...Object.fromEntries(
    stations.map((station) => [station, [...stations.filter((other) => other !== station), 'cli']]),
  ),
};
const zones = Object.entries(mayNotImport).map(([target, from]) => ({
  target: `./${target}`,
  from: from.map((folder) => `./${folder}`),
}));

const purity = {
  'no-restricted-globals': [
    'error',
    ...['process', 'setTimeout', 'setInterval', 'fetch', 'performance', 'crypto'].map((name) => ({
      name,
      message: 'pure code has no clock, chance, I/O or environment',
    })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'time is the fact’s recorded time' },
    { object: 'Math', property: 'random', message: 'ids are derived from the fact' },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'no clock' },
    { selector: 'AwaitExpression', message: 'pure code does not wait' },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', '.trunkline/', 'coverage/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [
        createNodeResolver({ extensionAlias: { '.js': ['.ts', '.tsx', '.js'] } }),
      ],
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-default-export': 'error',
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70 }],
      'max-params': ['error', 4],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['processors/call/**', 'processors/message/**', 'processors/policy/**', 'schemas/**'],
    rules: purity,
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    ignores: ['runtime/config.ts', 'cli/**', 'test/**', 'bench/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[object.name="process"][property.name="env"]',
          message: 'read configuration through runtime/config.ts',
        },
      ],
    },
  },
  {
    files: ['processors/call/**', 'processors/message/**', 'processors/policy/**', 'schemas/**'],
    rules: { 'no-restricted-syntax': purity['no-restricted-syntax'] },
  },
  {
    files: ['test/**'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    files: ['**/*.mjs', '*.js', '*.config.ts'],
    ...tseslint.configs.disableTypeChecked,
  },
  {
    files: ['**/*.mjs', '*.js', '*.config.ts', 'scripts/**'],
    rules: {
      ...tseslint.configs.disableTypeChecked.rules,
      'import-x/no-default-export': 'off',
      'no-console': 'off',
    },
  },
);
